/** Breaks the rules of the house, so that a test can see them fail. */
@NullMarked
package dev.wrenn.disk.wrong;

import org.jspecify.annotations.NullMarked;
