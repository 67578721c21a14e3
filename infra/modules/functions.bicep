// The app on Flex Consumption: Linux, Node 24, the package from a container that only its identity opens.

import { scaleType } from '../types.bicep'

@description('Name of the plan.')
param planName string

@description('Name of the app.')
param appName string

@description('Where it is.')
param location string

@description('Tags of the resources.')
param tags { *: string }

@description('Size and number of instances.')
param scale scaleType

@description('Name of the identity that the app runs as.')
param identityName string

@description('Resource id of the subnet that the app reaches everything through.')
param subnetResourceId string

@description('Whether the app has an address on the internet; otherwise only a private endpoint.')
param publicApi bool

@description('Name of the storage account of the host.')
param storageAccountName string

@description('Name of the container of the package.')
param packageContainerName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Address of the key vault.')
param keyVaultUri string

@description('Host name of the SQL server.')
param sqlServerHostName string

@description('Name of the database.')
param databaseName string

@description('Connections to the database that each process may have.')
param sqlPoolSize int

@description('Settings of the app that take the place of those in app-settings.json. None of them is a secret.')
param settings { *: string }

@description('Resource id of the workspace that gets the logs.')
param workspaceResourceId string

var defaultSettings = loadJsonContent('../app-settings.json')

// A misspelt setting would be read by nobody.
var unknownSettings = filter(objectKeys(settings), name => !contains(objectKeys(defaultSettings), name))
var appSettings = empty(unknownSettings)
  ? union(defaultSettings, settings)
  : fail('settings: ${join(unknownSettings, ', ')}: not a setting of app-settings.json, or one that the template sets itself.')

var clientCertificates = appSettings.AGENT_CLIENT_CERTIFICATES == 'platform'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storageAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: scale.zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  // azd finds by it what azure.yaml calls api.
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: publicApi ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: subnetResourceId
    keyVaultReferenceIdentity: identity.id
    // The platform asks each caller for a certificate and hands it on; callers with a token need none.
    clientCertEnabled: clientCertificates
    clientCertMode: 'Optional'
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storageAccount.properties.primaryEndpoints.blob}${packageContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'node', version: '24' }
      scaleAndConcurrency: {
        instanceMemoryMB: scale.instanceMemoryMegabytes
        maximumInstanceCount: scale.maximumInstanceCount
        alwaysReady: filter(
          [
            { name: 'http', instanceCount: scale.alwaysReady.http }
            { name: 'function:sweep', instanceCount: scale.alwaysReady.sweep }
            { name: 'function:maintenance', instanceCount: scale.alwaysReady.maintenance }
          ],
          group => group.instanceCount > 0
        )
        triggers: { http: { perInstanceConcurrency: scale.httpPerInstanceConcurrency } }
      }
    }
  }

  resource configuration 'config' = {
    name: 'appsettings'
    properties: {
      ...appSettings
      ...address
      // The host's own, all by identity.
      // Or a GET of / shows strangers the platform's page while the app has no functions, as with bad settings.
      AzureWebJobsDisableHomepage: 'true'
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.properties.clientId
      AzureWebJobsStorage__blobServiceUri: storageAccount.properties.primaryEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: storageAccount.properties.primaryEndpoints.queue
      AzureWebJobsStorage__tableServiceUri: storageAccount.properties.primaryEndpoints.table
      APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
      // What follows from the other resources.
      AGENT_COMMUNICATION_MODE: 'sql'
      AGENT_AUTH_MODE: 'required'
      AZURE_CLIENT_ID: identity.properties.clientId
      AZURE_TENANT_ID: tenant().tenantId
      AZURE_KEY_VAULT_URL: keyVaultUri
      AZURE_SQL_SERVER: sqlServerHostName
      AZURE_SQL_DATABASE: databaseName
      AZURE_SQL_POOL_SIZE: string(sqlPoolSize)
    }
  }

  // Nobody deploys with a password: only Entra ID.
  resource scmCredentials 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource ftpCredentials 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }
}

// That of the platform, where none of your own is given.
var address = {
  AGENT_PUBLIC_URL: empty(appSettings.AGENT_PUBLIC_URL)
    ? 'https://${app.properties.defaultHostName}'
    : appSettings.AGENT_PUBLIC_URL
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource appDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: app
  properties: {
    workspaceId: workspaceResourceId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Name of the app.')
output name string = app.name

@description('Resource id of the app.')
output resourceId string = app.id

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName
