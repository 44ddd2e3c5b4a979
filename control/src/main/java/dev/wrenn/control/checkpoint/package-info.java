/** Saved states of capsules: listing, making, going back, forking. */
@NullMarked
package dev.wrenn.control.checkpoint;

import org.jspecify.annotations.NullMarked;
