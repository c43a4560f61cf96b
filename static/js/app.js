import "./regions.js";
import "./manners.js";
import "./leaving.js";
import "./feed.js";
import "./keys.js";
import "./offline.js";
