/** What all routes share: bodies, errors, ids. */
@NullMarked
package dev.wrenn.control.http;

import org.jspecify.annotations.NullMarked;
