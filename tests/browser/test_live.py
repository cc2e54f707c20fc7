"""Live: the picture follows the controls without Generate; only the newest change is drawn."""

from .actions import (
    asked_by,
    choose_label,
    generate,
    open_tab,
    picture,
    set_number,
    settings,
    slide,
    step,
    wait_for_line,
    wait_for_state,
    wait_until_ready,
    write,
)


def open_live(open_page, **options):
    page = open_page(**options)
    wait_until_ready(page)
    return page


def test_the_picture_follows_and_is_that_of_generate(open_page):
    page = open_live(open_page)
    choose_label(page, "5")
    wait_for_line(page, "label 5 ")
    followed = picture(page)
    page.wait_for_url("**label=5**")  # all of it is there: the link, and every step
    page.focus(".scrubber")
    page.keyboard.press("Home")
    assert step(page).startswith("Step 0 ")
    assert (picture(page) != followed).any()

    # Another step is looked at: its picture follows.
    before = page.input_value("#guidance_scale [type=number]")
    set_number(page, "guidance_scale", 9)
    wait_for_line(page, "guidance 9 ")
    assert step(page).startswith("Step 0 ")
    set_number(page, "guidance_scale", before)
    wait_for_line(page, f"guidance {before} ")
    page.focus(".scrubber")
    page.keyboard.press("End")
    assert (picture(page) == followed).all()
    generate(page)
    assert (picture(page) == followed).all()

    # A mistake is named, and the picture stays.
    write(page, "a bold sevn ")
    page.wait_for_selector("#prompt-notes:has-text('“sevn” is not known.')")
    assert (picture(page) == followed).all()


def test_only_the_newest_change_is_drawn(open_page):
    page = open_live(open_page)
    page.evaluate("""async () => {
      const lines = new Set();
      const line = document.querySelector(".settings");
      window.lines = lines;
      new MutationObserver(() => lines.add(line.textContent)).observe(line, {childList: true});
      const slider = document.querySelector("#width [type=range]");
      for (let i = -10; i <= 5; i++) {
        slider.value = i / 10;
        slider.dispatchEvent(new Event("input", {bubbles: true}));
      }
    }""")
    wait_for_line(page, "width 0.5 ")
    assert page.evaluate("lines.size") <= 3
    assert asked_by(page)["width"] == "0.5"

    # A change during a run is drawn after it.
    set_number(page, "steps", 40)
    wait_for_line(page, "40 steps")
    page.evaluate("""() => {
      const player = document.querySelector(".player");
      window.states = [];
      new MutationObserver(() => {
        states.push(player.dataset.state);
        if (player.dataset.state === "running" && states.length === 2)
          document.querySelector("#label label:nth-child(10) input").click();
      }).observe(player, {attributeFilter: ["data-state"]});
    }""")
    page.click("#generate")
    wait_for_line(page, "label 9 ")
    assert page.evaluate("states").index("done") == 2  # the run was shown to its end


def test_it_can_be_switched_off_for_the_visit(open_page):
    page = open_live(open_page)
    page.uncheck(".live input")
    choose_label(page, "5")
    open_tab(page, "Compare")
    open_tab(page, "Watch")
    page.wait_for_selector(".live input:not(:checked)")
    slide(page, "stroke", 1)
    choose_label(page, "2")
    generate(page)
    assert "label 2 " in settings(page) and "stroke 1 " in settings(page)
    choose_label(page, "3")
    page.check(".live input")
    choose_label(page, "8")
    wait_for_line(page, "label 8 ")
    wait_for_state(page, "done")
