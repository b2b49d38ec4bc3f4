import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'

/**
 * What is found in an object under `a`, or under `a.b` in one inside it; undefined where there is nothing. A member whose
 * own name has a dot in it, such as the claim `kubernetes.io`, wins over a path of that spelling.
 */
export function readPath(object: JsonObject, path: string): Json | undefined {
  if (Object.hasOwn(object, path)) return object[path]
  return path.split('.').reduce<Json | undefined>((value, name) => {
    return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  }, object)
}
