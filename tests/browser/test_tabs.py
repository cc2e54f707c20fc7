"""What all tabs that draw have in common: an example, Stop, and what is wrong with a request."""

from .actions import STOP_AT_ONCE, be_still, open_tab, set_number, visible, write
from .conftest import STILL

TABS = {  # the prefix of its controls, its stage, and what makes it refuse
    "Watch": ("", ".player", ("negative_prompt", "bold"), "negative prompt needs guidance"),
    "Compare": ("compare-", ".comparison", ("compare-across_values", "0, 11"), "must be a number"),
    "Draw": ("draw-", ".player", ("draw-prompt", "a dog"), "dog"),
    "Morph": ("morph-", ".player", ("morph-what_2", "a dog"), "Point 2"),
}


def test_an_example_a_stop_a_refusal_and_a_run(open_page):
    page = open_page(media=STILL)  # nothing plays by itself
    be_still(page)
    for name, of_tab in TABS.items():
        open_tab(page, name)
        use(page, name, *of_tab)


def use(page, name, prefix, stage, wrong, said):
    (field, bad), stop = wrong, f"#{prefix}stop"
    go = f"#{prefix}{'go' if name == 'Compare' else 'generate'}"
    state = lambda state: visible(page, f"{stage}[data-state={state}]").wait_for()
    state("example")
    if name != "Compare":
        visible(page, ".player .x_t[src]").wait_for()
        set_number(page, f"{prefix}steps", 100)
    page.evaluate(STOP_AT_ONCE, [stage, go, stop])
    state("stopped")
    if name != "Compare":
        set_number(page, f"{prefix}steps", 2)
    if name == "Watch":
        page.click(".fold")
        set_number(page, "guidance_scale", 1)
    before = page.input_value(f"#{field} :is(input, textarea)")
    write(page, bad, field)
    page.click(go)
    state("failed")
    assert said in visible(page, "[role=status]:is(.status, .grid-status)").inner_text()
    assert page.input_value(f"#{field} :is(input, textarea)") == bad
    write(page, before, field)
    page.click(go)
    state("done")
