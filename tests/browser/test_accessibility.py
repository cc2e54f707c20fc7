"""Every tab for everybody: by axe-core, on a small phone, by finger, by keyboard."""

import pytest

from .actions import PHONE, be_still, open_tab, visible, write
from .conftest import STILL

# Puts `a11y` into the page. What it returns are short texts that say which elements are at fault.
SCRIPT = """window.a11y = {
  name: (node) => node.outerHTML.replace(/data:[^"]+/g, "").slice(0, 160),

  // Serious and critical violations, each with the first elements that have it; of all rules, or of
  // one.
  async violations(within, rule) {
    const options = rule ? { runOnly: [rule] } : {};
    const { violations } = await axe.run(within, { resultTypes: ["violations"], ...options });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
      .map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map(({ html }) => html)]);
  },

  // What a finger or the Tab key goes to, without the footer, which is Gradio's.
  controls(inside = "main, .tab-bar") {
    const kinds = "a[href], button, input, select, summary, textarea, .easel canvas, " +
      "[role=combobox]";
    return [...document.querySelectorAll(`:is(${inside}) :is(${kinds})`)].filter((node) =>
      !node.closest("footer, [aria-hidden=true]")
      && a11y.touched(node).checkVisibility({ visibilityProperty: true }));
  },

  touched: (node) =>
    node.matches("[type=radio], [type=checkbox], [type=file]") ? node.closest("label") : node,

  small: () => a11y.controls().filter((node) => {
    const { offsetWidth, offsetHeight } = a11y.touched(node);
    return Math.min(offsetWidth, offsetHeight) < 44;
  }).map(a11y.name),

  // Sliders that a finger moves when it scrolls the page
  held: () => a11y.controls().filter((node) =>
    node.type === "range" && getComputedStyle(node).touchAction !== "pan-y").map(a11y.name),

  // Controls that are behind the picture, or without it, when the focus comes to them
  async unseen(panel) {
    const faults = [];
    for (const node of a11y.controls(`${panel} .controls`)) {
      node.focus();
      node.scrollIntoView({ block: "nearest" }); // the board takes no focus
      await new Promise(requestAnimationFrame);
      const { left, top, width, height } = a11y.touched(node).getBoundingClientRect();
      const front = document.elementFromPoint(left + width / 2, top + height / 2);
      const screens = document.querySelector(`${panel} .screens`).getBoundingClientRect();
      const isSeen = front && (node.contains(front) || front.contains(node)
        || a11y.touched(node).contains(front));
      if (!isSeen || screens.top < 0) faults.push(a11y.name(node));
    }
    return faults;
  },

  // All that the Tab key is to reach; of radios of one name, that which is chosen
  focusable: () => a11y.controls().filter((node) => node.tabIndex >= 0 && !node.disabled
    && (node.type !== "radio" || node.checked)),

  // Begins to note where the Tab key goes, up to the footer.
  listen: () => Object.assign(a11y, { reached: [document.activeElement], ended: false }),

  // By name, as what is filled by the server may be made anew in between
  missed() {
    const reached = a11y.reached.map(a11y.name);
    return a11y.focusable().map(a11y.name).filter((name) => !reached.includes(name));
  },

  // Where the Tab key has gone back in the document
  back: () => a11y.reached.slice(1).filter((node, i) =>
    node.isConnected && a11y.reached[i].isConnected
    && node.compareDocumentPosition(a11y.reached[i]) & Node.DOCUMENT_POSITION_FOLLOWING)
    .map(a11y.name),
};
document.addEventListener("focusin", ({ target }) => {
  // The page is over at its footer, or where the key comes back to the first.
  const isFirst = a11y.reached?.length > 1 && target === a11y.reached[0];
  a11y.ended ||= Boolean(target.closest("footer")) || isFirst;
  if (!a11y.ended) a11y.reached?.push(target);
});"""


@pytest.fixture(scope="session")
def axe(packages):
    return (packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


TABS = {  # the part that comes last when a tab is opened
    "Watch": ".pictures img[src]",
    "Compare": ".grid canvas",
    "Draw": ".player .x_t[src]",
    "Morph": ".player .x_t[src]",
    "Inside": ".inside .told:not(:empty)",
    "Train": ".training",
}


VIOLATIONS = "(given) => a11y.violations(...given)"
FOLDS = ".fold:visible, main summary:visible, .label-wrap:visible"


@pytest.mark.parametrize(
    ("size", "scheme"),
    [({}, "light"), ({}, "dark"), (PHONE, "light")],
    ids=["desktop", "dark", "phone"],
)
def test_every_tab(open_page, axe, size, scheme):
    # Less motion, as axe would take the colours of what is fading.
    page = open_page(media=STILL | {"color_scheme": scheme}, **size)
    rule = "color-contrast" if scheme == "dark" else None  # nothing else is another one
    be_still(page)
    page.evaluate(f"{axe}; {SCRIPT}")
    for tab, last in TABS.items():
        open_tab(page, tab)
        visible(page, last).wait_for()
        for fold in page.locator(FOLDS).all():
            fold.click()
        panel = f":is(#panel-{tab.lower()}, div#tab-{tab.lower()})"
        if size:
            on_a_phone(page, panel)
            continue
        if tab == "Watch":
            write(page, "bol sevn ")
        page.evaluate("scrollTo(0, 0)")  # axe judges what lies behind the player by its colours
        within = "body" if tab == "Watch" else panel
        assert page.evaluate(VIOLATIONS, [within, rule]) == [], tab
        if tab == "Watch":
            write(page, "seven")
        if scheme == "light":
            by_keyboard(page, panel)
    if not size:
        open_tab(page, "Watch")  # axe does find what is wrong
        visible(page, ".x_t").evaluate("(node) => node.removeAttribute('alt')")
        assert page.evaluate(VIOLATIONS, ["body", "image-alt"])


def on_a_phone(page, panel):
    assert page.evaluate("a11y.controls().length") >= len(TABS)
    assert page.evaluate("a11y.small()") == [], panel
    assert page.evaluate("a11y.held()") == [], panel
    if page.locator(f"{panel} .screens >> visible=true").count():
        assert page.evaluate("(panel) => a11y.unseen(panel)", panel) == [], panel
    slider = page.locator(f"{panel} .controls [type=range]:visible").first
    if slider.count():
        scroll_over(page, slider)
    page.set_viewport_size({"width": 360, "height": PHONE["height"]})
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, panel
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})


def scroll_over(page, slider):
    """A finger that lands on a slider and goes up scrolls the page, and leaves the value alone."""
    slider.evaluate("(node) => node.scrollIntoView({ block: 'end' })")
    box, value = slider.bounding_box(), slider.input_value()
    before = page.evaluate("scrollY")
    finger = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    touch = lambda kind, *at: finger.send(
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for y in at]}
    )
    touch("touchStart", y)
    for way in range(15, 151, 15):
        touch("touchMove", y - way)
    touch("touchEnd")
    page.wait_for_function("(before) => scrollY > before", arg=before)
    page.wait_for_function(
        "([node, was]) => node.value === was", arg=[slider.element_handle(), value]
    )


def by_keyboard(page, panel):
    page.focus("[role=tab]:not([tabindex='-1'])")  # the first of them; nothing comes before
    page.evaluate("a11y.listen() && null")
    for _ in range(2 * page.evaluate("a11y.focusable().length")):  # some stops are Gradio's own
        page.keyboard.press("Tab")
    assert page.evaluate("a11y.missed()") == [], panel
    assert page.evaluate("a11y.back()") == [], panel
