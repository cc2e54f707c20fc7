// The button Play with the scrubber beside it: of the player, and of a grid. begin: starts to play,
// and calls `set(true)`. seek: shows the step that somebody has scrubbed to.
export function playback(play, scrubber, { begin, seek }) {
  const state = { playing: false, set };

  function set(playing) {
    state.playing = playing;
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    play.toggleAttribute("data-playing", playing);
  }

  const toggle = () => (state.playing ? set(false) : begin());
  play.addEventListener("click", toggle);
  scrubber.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  scrubber.addEventListener("input", () => {
    set(false);
    seek(Number(scrubber.value));
  });
  return state;
}
