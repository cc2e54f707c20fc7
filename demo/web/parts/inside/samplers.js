// Samplers: the way of one digit under each of them, in the plane of the run's principal components.

import { in_plane, axis_of, plane_of } from "./plane.js";
import { at } from "./answers.js";
import { figure, paint, row } from "./heat.js";
import { legend, plot } from "./plot.js";

export const about = {
  shows:
    "All samplers start from the same noise, and each takes its own way to a digit; here are the " +
    "ways in the plane in which this run moves most, with a dot for each step.",
  try: "Which samplers end at the same point? Which never do, and why?",
  equation:
    "Samplers without fresh noise solve dx/dt = v(x, t) · angle; one of order p has an error that " +
    "falls as N^−p with the number of steps N.",
  papers: [
    ["Karras et al. 2022", "https://arxiv.org/abs/2206.00364"],
    ["Lu et al. 2022", "https://arxiv.org/abs/2211.01095"],
    ["Zhao et al. 2023", "https://arxiv.org/abs/2302.04867"],
  ],
};

export function mount(body, { store, answers, about, facts, say }) {
  const all = about.values.find(({ name }) => name === "sampler").choices;
  const choices = all.filter(([name]) => name !== "student"); // it has another network
  const names = choices.map(([name]) => name),
    titles = choices.map(([, title]) => title);
  body.innerHTML = `<div class="plots"><div class="ways"></div><div class="errors"></div></div>
    ${row(names.map((name, i) => figure(name, titles[i])), names.length)}`;
  const $ = (selector) => body.querySelector(selector);
  $(".errors").innerHTML = facts.samplers
    ? errors_of(facts.samplers, Object.fromEntries(choices))
    : "<p>The error of the samplers of these weights was not measured.</p>";

  return function draw() {
    const { settings, steps } = store.run,
      shown = Math.min(store.shown ?? steps, steps);
    // One after another, so that the first is there soon.
    const found = [];
    const is_own = (name) => name === settings.sampler;
    for (const sampler of [...names.filter(is_own), ...names.filter((name) => !is_own(name))]) {
      const answer = answers.get("path", { request: { ...settings, sampler } });
      if (!answer) break;
      found.push([names.indexOf(sampler), answer]);
    }
    if (!found.length) return;
    const rows = ([, { latents }]) =>
      Array.from({ length: latents.shape[0] }, (_, i) => at(latents, i));
    const plane = plane_of(rows(found[0]).map((row) => [...row]));
    const lines = found.map((one) => {
      const points = rows(one).map((row) => in_plane(plane, row));
      return {
        points,
        dots: [...points.slice(0, shown), points[shown]],
        color: one[0],
        name: titles[one[0]],
      };
    });
    const all = lines.flatMap(({ points }) => points);
    $(".ways").innerHTML =
      plot({
        x: axis_of(
          all.map(([x]) => x),
          "first principal component",
        ),
        y: axis_of(all.map(([, y]) => y)),
        ...{ lines, label: "The ways of the samplers" },
      }) + legend(titles);
    for (const [i, { pictures }] of found)
      paint($(`[data-heat="${names[i]}"]`), at(pictures, shown));
    if (found.length < names.length) return say(`${found.length} of ${names.length} are drawn…`);
    const ends = found.map((one) => rows(one).at(-1));
    const far = (a, b) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0));
    const near = found.filter((_, i) => far(ends[i], ends[0]) < 2).map(([i]) => titles[i]);
    say(
      `Step ${shown} of ${steps}. Ends within a distance of 2 from the run’s: ${near.join(", ")}.`,
    );
  };
}

// Error over the number of steps, both in logarithms, and the order that the papers promise.
function errors_of({ steps, errors, order }, titles) {
  const names = Object.keys(errors),
    all = names.flatMap((name) => errors[name]);
  const lines = names.map((name, i) => {
    const points = errors[name].map((error, k) => [steps[k], error]);
    return { points, dots: points, color: i };
  });
  const promised = names.map((name, i) => {
    const [last, n] = [errors[name].at(-1), steps.at(-1)];
    const points = [steps[0], n].map((k) => [k, last * (n / k) ** order[name]]);
    return {
      points: points.map(([k, y]) => [k, Math.min(y, Math.max(...all))]),
      is_dotted: true,
      color: i,
    };
  });
  const decades = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10].filter(
    (x) => x > Math.min(...all) / 3 && x < 3 * Math.max(...all),
  );
  return (
    plot({
      x: {
        low: steps[0],
        high: steps.at(-1),
        log: true,
        ticks: steps.map((n) => [n, n]),
        title: "steps",
      },
      y: {
        low: Math.min(...all) / 1.5,
        high: Math.max(...all) * 1.5,
        log: true,
        ticks: decades.map((x) => [x, x]),
      },
      lines: [...promised, ...lines],
      label: "Error of the samplers over the number of steps",
    }) +
    legend(names.map((name) => `${titles[name]}, order ${order[name]}`)) +
    "<p>Root mean square distance to a run of 1,000 steps, at a guidance of 1; dotted: the order " +
    "that the papers promise.</p>"
  );
}
