// Small things that every part of the page needs.

/** Gives an element of the page. */
export const byId = (id) => document.getElementById(id);

/**
 * Makes an element.
 * @param {string} name its tag.
 * @param {object} properties what to set on it.
 * @param {...Node} children what it holds.
 */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/**
 * Makes a function whose failure is told to people, in a place of the page, instead of being lost in the console.
 * @param {string} place the id of the element.
 * @param {() => Promise<unknown>} action what to do.
 */
export function guard(place, action) {
  return async () => {
    try {
      return await action();
    } catch (error) {
      byId(place).textContent = `Error: ${error.message}`;
      return undefined;
    }
  };
}

/** A bar for bytes that arrive, beside words. */
export class Progress {
  /** @param {string} place the id of an element that holds a `<progress>` and an `<output>`. */
  constructor(place) {
    this.box = byId(place);
    this.files = new Map();
  }

  /** Takes news about one file. */
  update({ file, bytes, total, cached }) {
    this.files.set(file, { bytes, total, cached });
    const all = [...this.files.values()];
    const [done, whole] = ["bytes", "total"].map((key) => all.reduce((sum, each) => sum + each[key], 0));
    Object.assign(this.box.querySelector("progress"), { value: done, max: whole || 1 });
    const from = all.every((each) => each.cached) ? "from this browser's cache" : "downloaded";
    this.box.querySelector("output").textContent = `${megabytes(done)} of ${megabytes(whole)} MB ${from}`;
    this.box.hidden = false;
  }

  /** Takes the bar away. */
  end() {
    this.box.hidden = true;
  }
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
