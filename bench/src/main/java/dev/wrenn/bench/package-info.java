/** Measures what SPECIFICATION.md promises, as ratios inside one run on one machine. */
@NullMarked
package dev.wrenn.bench;

import org.jspecify.annotations.NullMarked;
