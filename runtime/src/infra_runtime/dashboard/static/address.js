// The parameters of the page's address, which contain the filters and the selected row.
export const parameter = (name) => new URLSearchParams(location.search).get(name) ?? "";

export function setParameter(name, value) {
  const parameters = new URLSearchParams(location.search);
  if (value) parameters.set(name, value);
  else parameters.delete(name);
  const text = parameters.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}
