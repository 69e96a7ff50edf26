/** The messages of all features. */

import "./objects";
import "./tiles";
