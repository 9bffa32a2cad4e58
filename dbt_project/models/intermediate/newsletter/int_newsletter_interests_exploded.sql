with

mailchimp as (
    select
        list_id,
        email,
        {{ json_true_keys('interests') }} as interest_id
    from {{ ref('stg_mailchimp__members') }}
),

mailchimp_interests as (
    select * from {{ ref('stg_mailchimp__interests') }}
),

rapidmail as (
    select
        email,
        {{ text_elements('interests', "','") }} as interest
    from {{ ref('stg_rapidmail__recipients') }}
),

-- An interest that is no longer offered has no name; its id stays visible.
named as (
    select
        'mailchimp' as source,
        mailchimp.email as contact_point,
        coalesce(mailchimp_interests.interest_name, mailchimp.interest_id) as interest
    from mailchimp
    left join mailchimp_interests
        on
            mailchimp.list_id = mailchimp_interests.list_id
            and mailchimp.interest_id = mailchimp_interests.interest_id
    union all
    select
        'rapidmail' as source,
        email as contact_point,
        {{ cleaned_text('interest') }} as interest
    from rapidmail
),

final as (
    select distinct
        {{ short_hash("source || ':' || contact_point || ':' || interest") }}
            as address_interest_id,
        source,
        contact_point,
        interest
    from named
    where contact_point is not null and interest is not null
)

select * from final
