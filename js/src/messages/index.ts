/** The messages of all features. */

import "./objects";
import "./timing";
import "./tools";
