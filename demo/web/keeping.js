// What can be kept of a run: its files, and the link to its settings.

// element: holds the markup of player.html. run(): the run whose settings the link has.
export function keeping(element, run) {
  const $ = (selector) => element.querySelector(selector);

  function offer(what, url, name) {
    const anchor = $(`.${what}`);
    anchor.setAttribute("aria-disabled", !url);
    if (url) Object.assign(anchor, { href: url, download: name });
    else anchor.removeAttribute("href");
  }

  // Only what the run was asked for: the page's own address may hold keys of the site around it.
  const link = () =>
    `${location.origin}${location.pathname}?${new URLSearchParams(run().settings)}`;

  // A picture is too long for a link, and what a link says is about one image.
  const hasLink = () => !("start_from" in run().settings || "morph" in run().settings);

  function begin() {
    offer("gif", null);
    offer("png", null);
    $(".link").hidden = !hasLink();
  }

  function end() {
    offer("gif", run().gif, `${run().name}.gif`);
    offer("png", run().png, `${run().name}.png`);
    if (hasLink()) history.replaceState(history.state, "", link());
  }

  $(".link").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link());
      $(".status").textContent = "Link copied.";
    } catch {
      showLink(); // no permission, as in a frame; or on http, where browsers have no clipboard
    }
  });

  // In the place of the status, selected, to be copied by hand.
  function showLink() {
    $(".address").value = link();
    $(".player").toggleAttribute("data-address", true);
    $(".address").select();
  }

  $(".address").addEventListener("blur", () => $(".player").toggleAttribute("data-address", false));

  return { begin, end };
}
