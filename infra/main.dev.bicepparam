// For trying things: small, cheap, no private endpoints. The database lets in the app's subnet; a developer's address only
// while somebody asks for it. azd takes this file when its environment says so (docs/deployment.md).
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')

param sqlAdministratorGroup = {
  name: readEnvironmentVariable('SQL_ADMINISTRATOR_GROUP_NAME')
  objectId: readEnvironmentVariable('SQL_ADMINISTRATOR_GROUP_ID')
}

param database = { serviceObjective: 'S2', backupRedundancy: 'Local' }

param scale = {
  instanceMemoryMegabytes: 2048
  maximumInstanceCount: 40
  httpPerInstanceConcurrency: 100
  // Nothing is kept ready: the first request after a quiet time waits for a start.
  alwaysReady: { http: 0, sweep: 0, maintenance: 0 }
  zoneRedundant: false
}

param adminPrincipalId = readEnvironmentVariable('ADMIN_PRINCIPAL_ID', '')
param privateNetworking = false
param purgeProtection = false
param developerAddress = readEnvironmentVariable('DEVELOPER_ADDRESS', '')
param deployerPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param deployerPrincipalType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User') == 'ServicePrincipal'
  ? 'ServicePrincipal'
  : 'User'
param logDailyQuotaGigabytes = 1

param alerting = {
  emailAddresses: []
  availabilityTest: false
}
