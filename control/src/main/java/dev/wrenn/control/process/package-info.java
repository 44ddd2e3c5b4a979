/** Running commands in capsules. */
@NullMarked
package dev.wrenn.control.process;

import org.jspecify.annotations.NullMarked;
