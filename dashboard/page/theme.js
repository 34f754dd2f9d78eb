// Before the first paint, so that nothing flashes.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* storage is denied: the system's theme it is */ }
