// Programs and command lines that make a picture again. settings, name: as of a run.

const STYLES = ["stroke", "lean", "width"];
const ENDINGS = { strip: ".png" }; // of files; others end as their format is called
const USUAL = { show: "noisy", scale: null, frame_ms: 80 };

// A Python program that draws the image and saves it.
export function python(settings, name, { class_names }) {
  const { label, prompt, negative_prompt, seed, model, ...rest } = settings;
  const index = class_names.indexOf(label);
  const asked = prompt ? code(prompt) : index < 0 ? "None" : index;
  const [styles, options] = [true, false].map((is_style) =>
    Object.entries(rest).filter(([name]) => STYLES.includes(name) === is_style),
  );
  const given = [`[${asked}]`, `seeds=[${seed}]`];
  if (negative_prompt) given.push(`negative=${code(negative_prompt)}`);
  const said = styles.map(([name, amount]) => `"${name}": ${code(amount)}`);
  if (said.length) given.push(`style={${said.join(", ")}}`);
  given.push(...options.map(([name, value]) => `${name}=${code(value)}`));
  return [
    "from PIL import Image\n",
    "from ldm_core import LatentDiffusion\n",
    'model = LatentDiffusion.load("weights")',
    `images = model.generate(\n${given.map((one) => `    ${one},\n`).join("")})`,
    `Image.fromarray(images[0].numpy()).save(${code(`${name}.png`)})\n`,
  ].join("\n");
}

// A value as Python code: for texts and numbers that is JSON.
const code = JSON.stringify;

// The command line that makes a file, to the byte. file: {format, show, scale, frame_ms}.
export function command(settings, name, { format, ...file }) {
  const { model, ...options } = settings;
  if (format === "strip") delete file.frame_ms;
  for (const key in file) if (file[key] !== USUAL[key]) options[key] = file[key];
  const words = Object.entries(options).map(option);
  if (format === "strip") words.push("--strip");
  const out = option(["out", name + (ENDINGS[format] ?? `.${format}`)]);
  return ["python -m ldm_core.sample", ...words, out].join(" ");
}

// What begins with a dash would be taken for another option.
function option([name, value]) {
  const between = String(value).startsWith("-") ? "=" : " ";
  return `--${name.replaceAll("_", "-")}${between}${shell(String(value))}`;
}

// Plain text in quotes that all shells read; other text as POSIX shells read it.
function shell(text) {
  if (/^[\p{L}\p{N}_,.]+( [\p{L}\p{N}_,.]+)+$/u.test(text)) return `"${text}"`;
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
