/** What the host agent writes down of each capsule before it acts. */
@NullMarked
package dev.wrenn.host.journal;

import org.jspecify.annotations.NullMarked;
