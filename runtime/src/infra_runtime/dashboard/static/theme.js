"use strict";
// This script runs before the first paint, so that the page is never painted with another theme than the stored theme.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* the browser stores nothing for this page */ }
