"""One progress bar for terminals and notebooks.

It knows nothing of what is in progress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """Shows a progress bar: a widget in a notebook, rich in a terminal.

    Args:
        title: what is in progress, in words.

    Yields:
        A function that takes the progress in percent, 0 to 100.
    """
    with _widget(title) if in_notebook() else _terminal(title) as report:
        yield report


def in_notebook() -> bool:
    """Says whether this code runs in a Jupyter kernel."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and shell.has_trait("kernel")


@contextmanager
def _widget(title: str) -> Iterator[Callable[[float], None]]:
    import ipywidgets
    from IPython.display import display

    bar = ipywidgets.FloatProgress(description=title, max=100, style={"description_width": "initial"})
    display(bar)  # type: ignore[no-untyped-call]  # IPython ships no types for it

    def report(percent: float) -> None:
        bar.value = percent

    yield report


@contextmanager
def _terminal(title: str) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=100)

        def report(percent: float) -> None:
            progress.update(task, completed=percent)

        yield report
