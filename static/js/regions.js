/* Regions that are fetched again, as the server wrote them: taken down before anything on the page is touched, so that
   a region which has not changed since is left alone. */

export const raw = new Map();

for (const region of document.querySelectorAll("[data-feed-refresh][id], [data-feed-watch][id]")) raw.set(region.id, region.outerHTML);
