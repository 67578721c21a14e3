// One environment of agent-communication: the resource group and all that is in it.
//
//   az deployment sub create --location westeurope --template-file infra/main.bicep --parameters infra/main.prod.bicepparam
//
// docs/deployment.md says what each resource is for and what it costs.
targetScope = 'subscription'

import { alertingType, databaseType, scaleType, sqlAdministratorGroupType } from 'types.bicep'

@description('Name of the environment, such as dev or prod.')
@minLength(1)
@maxLength(20)
param environmentName string

@description('Where everything is.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Name of the resource group that is made.')
param resourceGroupName string = 'rg-agents-${environmentName}'

@description('Tags of every resource.')
param tags { *: string } = {}

@description('Whether what holds data can be deleted.')
@allowed(['None', 'CanNotDelete'])
param lock string = 'None'

@description('The Entra group that administers the SQL server.')
param sqlAdministratorGroup sqlAdministratorGroupType

@description('The database.')
param database databaseType = { serviceObjective: 'S2', backupRedundancy: 'Local' }

@description('Name of the database.')
param databaseName string = 'agents'

@description('Size and number of the app\'s instances.')
param scale scaleType = {
  instanceMemoryMegabytes: 2048
  maximumInstanceCount: 40
  httpPerInstanceConcurrency: 100
  alwaysReady: { http: 1, sweep: 1, maintenance: 0 }
  zoneRedundant: false
}

@description('Whether database, vault and storage are reached by private endpoints only. Then the database is prepared by a job in the network.')
param privateNetworking bool = true

@description('Whether the app has an address on the internet; otherwise only a private endpoint.')
param publicApi bool = true

@description('Address range of the virtual network; at least a /24.')
param addressPrefix string = '10.40.0.0/24'

@description('Address of a developer that database and vault let in; empty for none. Not with private networking.')
param developerAddress string = ''

@description('Object id of whoever deploys, who then may write the encryption key; empty for nobody. Not needed with private networking: there the migrator writes it.')
param deployerPrincipalId string = ''

@description('What kind of principal deploys.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param deployerPrincipalType string = 'User'

@description('Object id of the Entra principal (an application or managed identity) that is let in as the first admin; empty for none.')
param adminPrincipalId string = ''

@description('Whether the vault cannot be purged before 90 days are over.')
param purgeProtection bool = true

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('The most logs that are taken in a day, in GB; -1 for no limit.')
param logDailyQuotaGigabytes int = -1

@description('Who is told of trouble, and from which figure on.')
param alerting alertingType

@description('Settings of the app that take the place of those in app-settings.json. None of them is a secret.')
param settings { *: string } = {}

@description('The image that the migration job has until the first deployment points it at its own.')
param migrationImage string = 'mcr.microsoft.com/azurelinux/base/nodejs:24'

resource resourceGroup 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: union({ workload: 'agent-communication', environment: environmentName, 'azd-env-name': environmentName }, tags)
}

module resources 'resources.bicep' = {
  scope: resourceGroup
  params: {
    environmentName: environmentName
    location: location
    tags: tags
    lock: lock
    sqlAdministratorGroup: sqlAdministratorGroup
    database: database
    databaseName: databaseName
    scale: scale
    privateNetworking: privateNetworking
    publicApi: publicApi
    addressPrefix: addressPrefix
    developerAddress: developerAddress
    deployerPrincipalId: deployerPrincipalId
    deployerPrincipalType: deployerPrincipalType
    adminPrincipalId: adminPrincipalId
    purgeProtection: purgeProtection
    logRetentionDays: logRetentionDays
    logDailyQuotaGigabytes: logDailyQuotaGigabytes
    alerting: alerting
    settings: settings
    migrationImage: migrationImage
  }
}

// In capitals: azd keeps them as variables of its environment, and the scripts in scripts/deploy read those names.

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = resourceGroup.name

@description('Base address of the API.')
output API_URL string = resources.outputs.apiUrl

@description('Name of the function app.')
output FUNCTION_APP_NAME string = resources.outputs.functionAppName

@description('Host name of the SQL server.')
output AZURE_SQL_SERVER string = resources.outputs.sqlServerHostName

@description('Name of the database.')
output AZURE_SQL_DATABASE string = resources.outputs.databaseName

@description('Address of the key vault.')
output AZURE_KEY_VAULT_URL string = resources.outputs.keyVaultUri

@description('Name of the secret that keeps the encryption key.')
output AGENT_ENCRYPTION_SECRET string = settings.?AGENT_ENCRYPTION_SECRET ?? loadJsonContent(
  'app-settings.json',
  'AGENT_ENCRYPTION_SECRET'
)

@description('Name of the app\'s identity: the name of its database user.')
output APP_IDENTITY_NAME string = resources.outputs.appIdentityName

@description('Client id of the app\'s identity.')
output APP_IDENTITY_CLIENT_ID string = resources.outputs.appIdentityClientId

@description('Object id of the first admin; empty for none.')
output ADMIN_PRINCIPAL_ID string = adminPrincipalId

@description('The group that administers the database.')
output SQL_ADMINISTRATOR_GROUP_ID string = sqlAdministratorGroup.objectId

@description('Object id of the migrator\'s identity, which that group must contain.')
output MIGRATOR_PRINCIPAL_ID string = resources.outputs.migratorPrincipalId

@description('Whether the database is reached from within the network only.')
output PRIVATE_NETWORKING bool = privateNetworking

@description('Name of the container registry of the migration job; empty without private networking.')
output CONTAINER_REGISTRY_NAME string = resources.outputs.containerRegistryName

@description('Name of the migration job; empty without private networking.')
output MIGRATION_JOB_NAME string = resources.outputs.migrationJobName
