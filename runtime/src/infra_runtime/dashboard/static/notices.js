export function notice(text, tone = "") {
  const element = document.createElement("p");
  element.className = `notice ${tone}`;
  element.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "×";
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => element.remove());
  element.append(close);
  document.getElementById("notices").append(element);
  if (tone !== "bad") setTimeout(() => element.remove(), 5000);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notice("Copied.");
  } catch (error) {
    notice(`The browser did not copy the text: ${error.message}`, "bad");
  }
}
