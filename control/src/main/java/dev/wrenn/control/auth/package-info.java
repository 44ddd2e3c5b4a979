/** Who calls: teams and their keys. */
@NullMarked
package dev.wrenn.control.auth;

import org.jspecify.annotations.NullMarked;
