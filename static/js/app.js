import "./manners.js";
import "./feed.js";
import "./keys.js";
