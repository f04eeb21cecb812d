// The token is in the fragment of the link. It is removed from the address, so that the history does not contain it.
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.querySelector("[data-login]");
  form.elements.token.value = token;
  form.hidden = false;
  for (const element of document.querySelectorAll("[data-no-token]")) element.hidden = true;
  // A browser that only prerenders the page must not use the token.
  if (!document.prerendering && document.visibilityState === "visible") form.requestSubmit();
}
