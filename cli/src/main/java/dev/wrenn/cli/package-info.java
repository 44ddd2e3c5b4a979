/** The wrenn command. */
@NullMarked
package dev.wrenn.cli;

import org.jspecify.annotations.NullMarked;
