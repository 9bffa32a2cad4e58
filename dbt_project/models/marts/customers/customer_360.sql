with

described as (
    select * from {{ ref('int_customers_described') }}
),

purchased as (
    select * from {{ ref('int_customers_purchased') }}
),

staged as (
    select * from {{ ref('int_customers_staged') }}
),

valued as (
    select * from {{ ref('int_customers_valued') }}
),

classified as (
    select * from {{ ref('int_customers_classified') }}
),

scored as (
    select * from {{ ref('int_customers_scored') }}
),

tiered as (
    select * from {{ ref('int_customers_tiered') }}
),

consented as (
    select * from {{ ref('int_customers_consented') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

final as (
    select
        described.customer_id,
        described.customer_number,
        described.customer_name,
        described.is_organisation,
        described.record_count,
        described.source_count,
        described.name_source,
        described.name_updated_on,
        described.street,
        described.postcode,
        described.city,
        described.country,
        described.address_source,
        described.address_updated_on,
        described.email,
        described.email_source,
        described.email_updated_on,
        described.phone,
        described.phone_source,
        described.phone_updated_on,
        described.website,
        described.vat_id,
        described.owner,
        described.acquisition,
        staged.lifecycle,
        staged.is_existing_customer,
        staged.is_dormant,
        purchased.first_ordered_on,
        purchased.last_ordered_on,
        staged.days_since_last_order,
        purchased.order_count,
        purchased.purchase_day_count,
        purchased.purchase_interval_days,
        coalesce(valued.net_revenue_total, 0) as net_revenue_total,
        coalesce(valued.net_revenue_12m, 0) as net_revenue_12m,
        valued.revenue_share,
        case when staged.is_dormant then valued.net_revenue_to_last_order end as revenue_at_stake,
        settings.reporting_currency,
        classified.abc_class,
        scored.recency_score,
        scored.frequency_score,
        scored.monetary_score,
        scored.rfm_score,
        tiered.tier,
        tiered.next_tier,
        tiered.revenue_to_next_tier,
        coalesce(consented.consent_status, 'none') as consent_status,
        coalesce(consented.reachable_contacts, 0) as reachable_contacts,
        consented.best_reachable_contact,
        consented.best_reachable_channel,
        case
            when consented.customer_id is null then 'no contact point'
            else consented.not_reachable_reason
        end as not_reachable_reason,
        valued.sales_fed_on,
        settings.as_of
    from described
    cross join settings
    left join purchased on described.customer_id = purchased.customer_id
    left join staged on described.customer_id = staged.customer_id
    left join valued on described.customer_id = valued.customer_id
    left join classified on described.customer_id = classified.customer_id
    left join scored on described.customer_id = scored.customer_id
    left join tiered on described.customer_id = tiered.customer_id
    left join consented on described.customer_id = consented.customer_id
)

select * from final
