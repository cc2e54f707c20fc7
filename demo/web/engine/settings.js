// The settings of sampling, and what they may be: as in ldm_core/diffusion/settings.py, which says
// what each of them means.

import { InputError, brief, check_choice, check_number, check_whole } from "./checks.js";
import { SPACINGS } from "./noise_schedule.js";
import { SAMPLERS, WITH_ETA } from "./samplers.js";

export const MAX_STEPS = 1000;
export const MAX_GUIDANCE_SCALE = 30;
const NAMES = [
  ...["guidance_scale", "steps", "sampler", "spacing", "eta"],
  ...["guidance_interval", "guidance_rescale", "off"],
];

// values: one for each name; the defaults are a matter of the weights, and come with them. Throws
// InputError saying which value is wrong and what is allowed.
export class SamplingSettings {
  constructor(values) {
    const unknown = Object.keys(values).filter((name) => !NAMES.includes(name)).sort();
    if (unknown.length) {
      const [these, known] = [unknown, NAMES].map((names) => names.join(", "));
      throw new InputError(`SamplingSettings does not know ${these}; it knows ${known}.`);
    }
    for (const name of NAMES) this[name] = values[name];
    check_number("guidance_scale", this.guidance_scale, 0, MAX_GUIDANCE_SCALE);
    check_whole("steps", this.steps, 1, MAX_STEPS);
    check_choice("sampler", this.sampler, Object.keys(SAMPLERS));
    check_choice("spacing", this.spacing, SPACINGS);
    check_number("eta", this.eta, 0, 1);
    check_number("guidance_rescale", this.guidance_rescale, 0, 1);
    if (this.eta && !WITH_ETA.includes(this.sampler)) {
      const those = WITH_ETA.join(" or ");
      throw new InputError(`eta works with the sampler ${those} only, not with ${this.sampler}.`);
    }
    if (!Array.isArray(this.guidance_interval) || this.guidance_interval.length !== 2)
      throw new InputError("guidance_interval must be a pair of times (low, high).");
    for (const end of this.guidance_interval) check_number("guidance_interval", end, 0, 1);
    const [low, high] = this.guidance_interval;
    if (low > high) throw new InputError("guidance_interval must have low <= high.");
    this.guidance_interval = Object.freeze([low, high]);
    const { off } = this;
    if (!Array.isArray(off) || !off.every((name) => typeof name === "string"))
      throw new InputError(`off must be a list of names, not ${brief(off)}.`);
    this.off = Object.freeze([...new Set(off)].sort());
    Object.freeze(this);
  }
}
