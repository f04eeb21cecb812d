"use strict";
// Runs before the page is shown, so that a stored theme does not flash.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* the browser stores nothing for this page */ }
