"""The prompt on the pages: in step with keys and sliders, and its mistakes."""

from .actions import (
    be_still,
    choose_label,
    open_fold,
    set_steps,
    slide,
    wait_for_state,
    wait_until_ready,
    write,
)

STATE = """() => [
  document.querySelector("#prompt input").value,
  document.querySelector("#label .selected").textContent.trim(),
  ...["stroke", "lean", "width"].map((name) =>
    Number(document.querySelector(`#${name} [type=range]`).value)),
]"""
BOLD = "a bold seven leaning left"


def wait_for_values(page, prompt, label, stroke=0, lean=0, width=0):
    """Of all that is kept in step, as it stands on the page."""
    wanted = [prompt, label, stroke, lean, width]
    page.wait_for_function(f"(wanted) => `${{({STATE})()}}` === `${{wanted}}`", arg=wanted)


def notes(page, field="prompt"):
    return page.locator(f"#{field}-notes li").all_inner_texts()


def test_the_prompt_moves_keys_and_sliders_and_a_key_its_class(open_page):
    page = open_page()
    be_still(page)  # live pictures do ask the server
    wait_for_values(page, "seven", "7")
    wait_until_ready(page)
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    choose_label(page, "4")
    wait_for_values(page, "four", "4")
    page.click(f".examples button:has-text('{BOLD}')")
    wait_for_values(page, BOLD, "7", 1, -1)
    choose_label(page, "8")
    wait_for_values(page, "a bold eight leaning left", "8", 1, -1)
    slide(page, "stroke", 0.5)  # it speaks for itself now
    wait_for_values(page, "an eight leaning left", "8", 0.5, -1)
    slide(page, "lean", 0.2)
    wait_for_values(page, "an eight", "8", 0.5, 0.2)
    page.click("#label label:last-child")
    wait_for_values(page, "", "any", 0.5, 0.2)
    write(page, "Narrow, upright 9")
    wait_for_values(page, "Narrow, upright 9", "9", 0.5, 0, -1)
    write(page, "9")
    wait_for_values(page, "9", "9", 0.5)
    write(page, "")
    wait_for_values(page, "", "any", 0.5)
    page.keyboard.insert_text("a wide three")  # as a paste does, without keys
    wait_for_values(page, "a wide three", "3", 0.5, width=1)
    assert not asked


def test_mistakes_are_named_word_by_word_move_nothing_and_are_mended_by_a_press(open_page):
    page = open_page()
    be_still(page)
    write(page, "")
    page.type("#prompt input", "bold  sev")
    assert notes(page) == []  # it may still become a word
    page.keyboard.type("en")
    wait_for_values(page, "bold  seven", "7", 1)
    page.keyboard.type(" leanin")
    page.keyboard.press("Tab")
    assert notes(page) == ["“leanin” is not known. Nearest:\nleaning"]

    write(page, "seven")
    field, before = page.locator("#prompt input"), page.locator("#label").bounding_box()["y"]
    write(page, "a bol sevn leaning left ")
    assert [note.split("\n") for note in notes(page)] == [
        ["“bol” is not known. Nearest:", "bold"],
        ["“sevn” is not known. Nearest:", "seven"],
    ]
    assert page.is_hidden(".examples")
    assert page.locator("#label").bounding_box()["y"] == before
    assert field.get_attribute("aria-invalid") == "true"
    assert page.get_attribute(f"#{field.get_attribute('aria-describedby')}", "aria-live")
    page.click("[aria-label='Write bold instead of bol']")
    page.click("[aria-label='Write seven instead of sevn']")
    wait_for_values(page, BOLD + " ", "7", 1, -1)
    assert notes(page) == [] and field.get_attribute("aria-invalid") == "false"
    write(page, "seven eight")
    assert notes(page)[0].startswith("A prompt names one class at most, not seven and eight.")


def test_a_prompt_with_a_mistake_starts_no_run(open_page):
    page = open_page()
    be_still(page)
    set_steps(page, 2)
    open_fold(page)
    for field in ("prompt", "negative_prompt"):
        write(page, "bol", field)  # while it is written, it may still become "bold"
        if field == "prompt":
            page.keyboard.press("Enter")
        else:
            page.click(".fold")  # it closes over the mistake
            page.click("#generate")
        name = field.replace("_", " ")
        told = page.get_by_text(f"Nothing was drawn: the {name} has a mistake.").first
        told.wait_for()
        assert len(notes(page, field.replace("_", "-"))) == 1
        assert page.evaluate("document.activeElement.closest('.block').id") == field
        page.keyboard.type("d")
        page.click("#generate")
        told.wait_for(state="hidden")
        wait_for_state(page, "done")
