/** What teams have reserved: now, over time, and per day. */
@NullMarked
package dev.wrenn.control.usage;

import org.jspecify.annotations.NullMarked;
