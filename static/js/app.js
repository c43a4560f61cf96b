import "./regions.js";
import "./manners.js";
import "./feed.js";
import "./keys.js";
