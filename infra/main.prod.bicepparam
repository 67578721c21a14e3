// For production: three availability zones, private endpoints, locks, a year of audit, backups that outlive a mistake.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'prod')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param lock = 'CanNotDelete'

param sqlAdministratorGroup = {
  name: readEnvironmentVariable('SQL_ADMINISTRATOR_GROUP_NAME')
  objectId: readEnvironmentVariable('SQL_ADMINISTRATOR_GROUP_ID')
}

param database = {
  serviceObjective: 'GP_Gen5_4'
  maxSizeGibibytes: 250
  zoneRedundant: true
  backupRedundancy: 'GeoZone'
  shortTermRetentionDays: 14
  longTermRetention: { weekly: 'P5W', monthly: 'P12M' }
}

param scale = {
  instanceMemoryMegabytes: 2048
  maximumInstanceCount: 40
  httpPerInstanceConcurrency: 100
  // Two of each in different zones, which zone redundancy has anyway.
  alwaysReady: { http: 2, sweep: 2, maintenance: 2 }
  zoneRedundant: true
}

param privateNetworking = true
param publicApi = true
param purgeProtection = true
param logRetentionDays = 365

param alerting = {
  emailAddresses: filter(split(readEnvironmentVariable('ALERT_EMAIL_ADDRESSES', ''), ','), address => !empty(address))
  availabilityTest: true
}
