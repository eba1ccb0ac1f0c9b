// Tekton's debug lines, where Tekton's own shared object is on the page; else nothing.

export function debug(level, message, data) {
  if (window.TektonDebug) window.TektonDebug[level]?.("budgetDashboard", message, data);
}
