/** What happened to the things of a team, told live. */
@NullMarked
package dev.wrenn.control.event;

import org.jspecify.annotations.NullMarked;
