/** Files of capsules. */
@NullMarked
package dev.wrenn.control.file;

import org.jspecify.annotations.NullMarked;
