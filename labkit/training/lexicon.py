"""English that can be exchanged without changing what a question asks: stems, fillers, neighbouring keys.

Only words; `augment` applies them. Synonyms stand in `corpus/thesaurus.txt`. Does not know topics.
"""

from __future__ import annotations

STEMS: tuple[tuple[str, ...], ...] = (
    (
        "what is", "what's", "whats", "explain", "explain to me", "tell me about", "describe", "define",
        "what does it mean,",
        "can you explain", "could you explain", "please explain", "i don't understand", "i do not get",
        "help me understand",
        "give me a quick idea of", "what do you know about", "in simple words,", "meaning of", "what exactly is",
        "teach me",
        "i want to know about", "i need to understand", "so what is", "what do people mean by", "talk me through",
    ),
    (
        "how do i", "how can i", "how to", "how should i", "what is the way to", "how would i", "how does one",
        "how do we",
        "show me how to", "tell me how to", "i want to", "i need to", "i'd like to", "is there a way to", "steps to",
        "what do i do to", "best way to", "can you show me how to", "how do you", "i am trying to",
        "what must i do to",
    ),
    (
        "why is", "why's", "how come", "what is the reason that", "for what reason is", "explain why",
        "tell me why", "why",
    ),
    ("why does", "why do", "how come", "explain why", "what makes", "why would", "why did", "i wonder why"),
    ("can i", "may i", "could i", "am i able to", "is it possible to", "is it ok to", "do i get to", "can we"),
    ("do i need", "do i have to have", "is it necessary to have", "must i have", "does it require", "need i"),
    ("should i", "do i have to", "must i", "is it better to", "ought i to", "shall i", "is it wise to", "do we"),
    ("when should i", "when do i", "in which case do i", "at what point do i", "when to", "when would i"),
    ("which", "what", "what kind of", "which one of the"),
    ("where do i", "where can i", "where should i", "in which place do i", "where"),
    ("is there", "do we have", "does it have", "is there any"),
    ("difference between", "what is the difference between", "compare", "what separates", "how differ"),
)  # fmt: skip

OPENERS = (
    "hi,", "hello,", "hey,", "hi there.", "ok,", "okay so", "so", "well,", "um,", "quick question:", "question:",
    "please:",
    "one more thing:", "sorry,", "excuse me,", "i am new to this.", "beginner here.", "i'm a bit lost.",
    "not sure i get it:",
    "my colleague asked me:", "for a friend:", "i read the notebook twice.", "just curious,", "help!", "hmm,", "and",
    "in this course,", "with foundry local,", "for my chat app,", "i am building a chat app.", "we are a small team.",
    "dear assistant,", "now", "also,", "basically", "honestly", "in general,", "no idea:", "please tell me:",
    "hey there -",
    "i was wondering,", "silly question, but", "in the exam they may ask:", "from the slides:", "still confused.",
    "wait,",
)  # fmt: skip

CLOSERS = (
    "please", "pls", "thanks", "thank you", "thx", "in this course", "in foundry local", "for my app", "exactly",
    "again",
    "here", "really", "in short", "in simple terms", "for beginners", "quickly", "if i may ask", "or not", "right",
    "any idea", "can you help", "i am confused", "anyone", "at all", "in practice", "help me", "in plain english",
    "now",
    "i really need to know", "so annoying", "asking for a friend", "can you tell me", "just wondering", "actually",
)  # fmt: skip

NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl",
    "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad", "t": "ry", "u": "yi",
    "v": "cb",
    "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
