with

hubspot as (
    select
        deals.*,
        associations.company_id,
        associations.contact_id,
        owners.owner_name
    from {{ ref('stg_hubspot__deals') }} as deals
    left join {{ ref('int_hubspot_associations_pivoted') }} as associations
        on deals.deal_id = associations.record_id and associations.record_type = 'deals'
    left join {{ ref('stg_hubspot__owners') }} as owners on deals.owner_id = owners.owner_id
),

pipedrive as (
    select
        deals.*,
        users.user_name
    from {{ ref('stg_pipedrive__deals') }} as deals
    left join {{ ref('stg_pipedrive__users') }} as users on deals.owner_id = users.user_id
),

acquisition_spellings as (
    select * from {{ ref('acquisition_spellings') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

exchange_rates as (
    select * from {{ ref('int_exchange_rates_dated') }}
),

unioned as (
    select
        'hubspot' as source,
        deal_id,
        title,
        case when is_won then 'won' when is_closed then 'lost' else 'open' end as status,
        amount as deal_amount,
        currency,
        created_at as opened_at,
        case when is_closed or is_won then close_at end as closed_at,
        case when not (is_closed or is_won) then cast(close_at as date) end as expected_close_on,
        lost_reason,
        acquisition as written_origin,
        acquisition_detail as origin_detail,
        order_number,
        company_id as organisation_record_id,
        contact_id as contact_record_id,
        owner_name as owner,
        updated_at
    from hubspot
    union all
    select
        'pipedrive' as source,
        deal_id,
        title,
        status,
        amount as deal_amount,
        currency,
        created_at as opened_at,
        closed_at,
        expected_close_on,
        lost_reason,
        channel_origin as written_origin,
        null as origin_detail,
        null as order_number,
        organization_id as organisation_record_id,
        person_id as contact_record_id,
        user_name as owner,
        updated_at
    from pipedrive
),

-- Only what is in another currency has to find a rate: that of the day it was decided.
dated as (
    select
        unioned.*,
        coalesce(unioned.currency, settings.reporting_currency) as deal_currency,
        nullif(unioned.currency, settings.reporting_currency) as foreign_currency,
        cast(coalesce(unioned.closed_at, unioned.opened_at) as date) as rated_on
    from unioned
    cross join settings
),

final as (
    select
        dated.source,
        dated.deal_id,
        dated.title,
        dated.status,
        case
            when dated.foreign_currency is null then dated.deal_amount
            else {{ exact_product('dated.deal_amount', 'exchange_rates.factor') }}
        end as amount,
        dated.deal_amount,
        dated.deal_currency,
        dated.opened_at,
        dated.closed_at,
        dated.expected_close_on,
        dated.lost_reason,
        coalesce(
            details.acquisition, acquisition_spellings.acquisition, dated.written_origin
        ) as origin,
        dated.order_number,
        dated.organisation_record_id,
        dated.contact_record_id,
        dated.owner,
        dated.updated_at
    from dated
    left join exchange_rates
        on
            dated.foreign_currency = exchange_rates.currency
            and dated.rated_on >= exchange_rates.valid_from
            and dated.rated_on < exchange_rates.valid_before
    left join acquisition_spellings
        on {{ normalised_text('dated.written_origin') }} = acquisition_spellings.spelling
    left join acquisition_spellings as details
        on {{ normalised_text('dated.origin_detail') }} = details.spelling
)

select * from final
