"""The page within the page of another site."""

from .hosting import hosting


def test_in_a_frame_of_another_site_it_draws(word_server, browser, tmp_path):
    frame = f'<!doctype html><iframe src="{word_server}" width="900" height="700"></iframe>'
    (tmp_path / "index.html").write_text(frame)
    page = browser.new_page()
    with hosting(tmp_path) as other_site:
        page.goto(other_site)
        frame = page.frame_locator("iframe")
        frame.locator("body[data-ready]").wait_for()
        frame.locator("#generate").click()
        frame.locator(".player[data-state=done]").wait_for()
        frame.locator(".link").click()  # a frame may not write to the clipboard
        assert frame.locator(".status a").get_attribute("href").startswith(f"{word_server}?")
    page.close()
