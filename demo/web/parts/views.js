// What the player shows of a step, all at once: its latent, the two pictures, the curve of the
// whole run, and the strip of tiles. What a picture lacks is left out.

const FAR = 40; // grey levels at the top of the curve; a move this far changes what one sees
const HEIGHT = 100; // of the curve, in its own units
const OF_MORPH = { x_t: "The picture", x_0: "The noise that it began with" };

// element: holds the markup of player.html.
export function views(element) {
  const $ = (selector) => element.querySelector(selector);
  const player = $(".player");
  const tiles = $(".tiles");
  const scrubber = $(".scrubber");
  let run = { steps: 0, pictures: [], settings: {} };
  let is_kept = false;

  // A run has begun. keeps: what the run before has drawn stays until other comes in its place.
  function begin(begun, keeps) {
    is_kept = keeps;
    run = begun;
    if (!keeps) lay();
    if (!run.settings.morph) return;
    for (const [screen, caption] of Object.entries(OF_MORPH)) {
      $(`.${screen}`).alt = caption;
      $(`.${screen}`).closest("figure").querySelector("figcaption").textContent = caption;
    }
  }

  function show({ index, latent, x_t, x_0, noise_level, moved }) {
    $(".x_t").src = x_t;
    if (x_0) $(".x_0").src = x_0;
    player.toggleAttribute("data-no-estimate", !x_0);
    player.toggleAttribute("data-no-latent", !latent);
    player.toggleAttribute("data-no-curve", noise_level === undefined);
    if (latent) for (const map of element.querySelectorAll(".latent img")) map.src = latent;
    scrubber.style.setProperty("--picture", `url(${x_t})`);
    $(".curve").style.setProperty("--at", run.steps ? index / run.steps : 0);
    $(".left").textContent = noise_level === undefined ? "" : `${Math.round(100 * noise_level)}%`;
    $(".moves").textContent = moved == null ? "–" : moved.toFixed(1);
  }

  // The tiles under the scrubber's handle: as many as fit, spread over the steps

  function lay() {
    const width = parseFloat(getComputedStyle(tiles).getPropertyValue("--tile"));
    const fitting = Math.floor((tiles.clientWidth + 2) / (width + 2));
    const count = Math.max(2, Math.min(fitting, run.steps + 1));
    tiles.replaceChildren(
      ...Array.from({ length: count }, (_, k) => {
        const tile = document.createElement("img");
        tile.dataset.index = Math.round((k * run.steps) / (count - 1));
        tile.alt = "";
        return tile;
      }),
    );
    add();
  }

  // Pictures have come: into the tiles, and into the curve, which says over the steps how much
  // noise is left, and how far the estimate still moves.
  function add() {
    for (const tile of tiles.children) {
      const picture = run.pictures[tile.dataset.index];
      if (picture && tile.src !== picture.x_t) tile.src = picture.x_t;
    }
    if (is_kept && run.pictures.length <= run.steps) return;
    const line = (height) =>
      run.pictures
        .filter((picture) => height(picture) != null)
        .map((one) => [(100 * one.index) / run.steps, HEIGHT * (1 - height(one))].join())
        .join(" ");
    $(".curve .noise-left").setAttribute("points", line(({ noise_level }) => noise_level));
    const move = ({ moved }) => moved && Math.min(moved / FAR, 1);
    $(".curve .estimate-moves").setAttribute("points", line(move));
  }

  new ResizeObserver(lay).observe(tiles);

  return { begin, show, add, lay };
}
