// The site kept for visits without a connection, by sw.js.

// Resolves to true when all files are kept; to false where a browser cannot do that, as on a page
// without https or in a private window, or has no room.
export async function keep_offline() {
  try {
    const url = new URL("../sw.js", import.meta.url);
    const registration = await navigator.serviceWorker.register(url);
    if (registration.active) return true; // a newer version may follow
    const worker = registration.installing ?? registration.waiting;
    await new Promise((resolve) => {
      const check = () => ["activated", "redundant"].includes(worker.state) && resolve();
      worker.addEventListener("statechange", check);
      check();
    });
    return worker.state === "activated";
  } catch {
    return false;
  }
}
