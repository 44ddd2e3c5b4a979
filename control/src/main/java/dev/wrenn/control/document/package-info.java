/** The API's description of itself. */
@NullMarked
package dev.wrenn.control.document;

import org.jspecify.annotations.NullMarked;
