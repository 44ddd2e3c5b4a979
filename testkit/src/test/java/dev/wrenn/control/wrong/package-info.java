/** Breaks the rules of the house, so that a test can see them fail. */
@NullMarked
package dev.wrenn.control.wrong;

import org.jspecify.annotations.NullMarked;
