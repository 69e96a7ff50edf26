/** The messages of all features. */

import "./objects";
import "./queue";
import "./tools";
