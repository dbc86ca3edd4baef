package golden

import "flag"

// update writes the golden files anew instead of comparing with them.
var update = flag.Bool("update", false, "write the golden files anew")
