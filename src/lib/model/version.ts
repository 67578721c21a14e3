/** The release, as package.json has it (a test compares them): the bundle for Azure has no package.json to read it from. */
export const VERSION = "0.1.0";
