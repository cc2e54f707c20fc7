"""Watching a run: every step, playing, scrubbing."""

from .actions import RECORD, STEPS, generate, set_steps, step, wait_for_step


def test_generate_shows_every_step_in_order(open_page):
    page = open_page()
    page.evaluate(RECORD)
    generate(page)
    seen = page.evaluate("seen")
    assert [one["step"] for one in seen] == [f"Step {i} of {STEPS}" for i in range(STEPS + 1)]
    assert seen[0]["noise"] == "100% noise" and seen[-1]["noise"] == "0% noise"
    assert len({one["x_t"] for one in seen}) == STEPS + 1
    assert page.inner_text(".status") == f"Done in {STEPS} steps."


def test_one_step_is_enough(open_page):
    page = open_page()
    set_steps(page, 1)
    generate(page)
    assert step(page) == "Step 1 of 1"


def test_scrubbing_and_playing_make_no_request(open_page):
    page = open_page()
    generate(page)
    requests = []
    page.on("request", lambda r: r.url.startswith("http") and requests.append(r.url))
    page.focus(".scrubber")
    for key, expected in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        wait_for_step(page, expected)
    page.keyboard.press("Home")
    wait_for_step(page, 0)
    assert page.is_visible(".nothing") and not page.is_visible(".x_0")
    page.keyboard.press("End")
    wait_for_step(page, STEPS)

    box = page.locator(".scrubber").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, y, steps=5)
    wait_for_step(page, STEPS // 2)
    page.mouse.move(box["x"], y, steps=5)
    page.mouse.up()
    wait_for_step(page, 0)

    # Recorded in the page, because all could be played between two calls from here.
    page.evaluate("""() => {
      const play = document.querySelector(".play");
      window.labels = [];
      new MutationObserver(() => labels.push(play.ariaLabel))
        .observe(play, {attributeFilter: ["aria-label"]});
    }""")
    page.keyboard.press("Space")
    page.wait_for_function("labels.includes('Pause') && labels.at(-1) === 'Play'")
    assert step(page) == f"Step {STEPS} of {STEPS}"
    assert requests == []


def test_play_can_be_paused(open_page):
    page = open_page()
    # In the page, because all could be played between two calls from here.
    paused, later = page.evaluate("""async () => {
      const frames = (n) => new Promise(function wait(done) {
        requestAnimationFrame(() => (n-- > 0 ? wait(done) : done()));
      });
      const step = () => document.querySelector(".step").textContent;
      const play = document.querySelector(".play");
      play.click();
      while (!step().startsWith("Step 2 ")) await frames(1);
      play.click();
      const paused = step();
      await frames(30);
      return [paused, step()];
    }""")
    assert paused == later
    assert page.get_attribute(".play", "aria-label") == "Play"


def test_a_finger_scrubs(open_page):
    page = open_page(width=375, height=812, has_touch=True, is_mobile=True)
    box = page.locator(".scrubber").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_for_step(page, STEPS // 2)


def test_scrubbing_before_the_first_step_does_no_harm(open_page):
    page = open_page()
    page.evaluate("""() => {
      const scrub = () => document.querySelector(".scrubber").dispatchEvent(new Event("input"));
      new MutationObserver(scrub).observe(document.querySelector(".settings"), {childList: true});
    }""")
    page.click("#generate")
    page.wait_for_selector(".keep a[download]")
