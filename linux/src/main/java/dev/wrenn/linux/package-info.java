/** Linux calls through the foreign function interface, one class per family. */
@NullMarked
package dev.wrenn.linux;

import org.jspecify.annotations.NullMarked;
